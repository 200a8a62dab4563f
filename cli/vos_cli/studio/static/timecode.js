// SMPTE timecode of a frame.

// start: of the first frame, counted from 00:00:00:00. base: frames per second, rounded. dropped:
// numbers that each minute but every tenth leaves out, 0 for none.
export function timecode(frame, { start, base, dropped }) {
  const [perTen, perMinute] = [base * 600 - dropped * 9, base * 60 - dropped];
  let count = (start + frame) % (perTen * 144); // a day
  const [tens, rest] = [Math.floor(count / perTen), count % perTen];
  if (rest >= base * 60) count += dropped * (1 + Math.floor((rest - base * 60) / perMinute));
  count += dropped * 9 * tens;
  const seconds = Math.floor(count / base);
  const two = (number) => String(number).padStart(2, "0");
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(":");
  return `${clock}${dropped ? ";" : ":"}${two(count % base)}`;
}
