// Text into the clipboard, where there is one: over plain HTTP from another machine there is none.

// say(text): told what was copied, or shown the text itself.
export async function copy(text, say) {
  const copied = navigator.clipboard?.writeText(text);
  await copied?.then(() => say(`Copied ${text}`), () => say(text));
  if (!copied) say(text);
}
