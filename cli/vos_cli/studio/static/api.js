// Requests to the server that served this page. Paths are written as from its root, which is a
// folder that nobody can guess: a cookie bound to it reaches no other server on this host.

const ROOT = new URL("../", import.meta.url).pathname;

const at = (path) => ROOT + path.slice(1);

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answer(response) {
  if (response.ok) return response;
  const text = await response.text();
  let message = text.trim();
  try {
    message = JSON.parse(text).error ?? message;
  } catch {
    // A refusal of the guard is plain text.
  }
  throw new Refused(response.status, message || `the server said ${response.status}`);
}

export async function get(path) {
  return (await answer(await fetch(at(path)))).json();
}

export async function send(method, path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return (await answer(await fetch(at(path), { method, headers, body: JSON.stringify(body) }))).json();
}

// A picture, ready to be drawn, with what the server says about it; null where there is none.
export async function picture(path) {
  const response = await answer(await fetch(at(path)));
  if (response.status === 204) return null;
  const about = JSON.parse(response.headers.get("X-Vos-Mask") ?? "{}");
  const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
  return { bitmap, about };
}
