// Requests to the server that served this page. Paths are written as from its root, which is a
// folder that nobody can guess: a cookie bound to it reaches no other server on this host.

const ROOT = new URL("../", import.meta.url).pathname;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The server was not reached, or its answer did not come whole.
export class Lost extends Error {}

// read(response): what is wanted of it. Rejects with Refused or Lost.
async function ask(path, read, options = {}) {
  const response = await orLost(fetch(ROOT + path.slice(1), options));
  if (response.ok) return orLost(read(response));
  const text = await orLost(response.text());
  let message = text.trim();
  try {
    message = JSON.parse(text).error ?? message;
  } catch {
    // A refusal of the guard is plain text.
  }
  throw new Refused(response.status, message || `the server said ${response.status}`);
}

async function orLost(promise) {
  try {
    return await promise;
  } catch (error) {
    throw new Lost(error.message);
  }
}

export function get(path, patience_ms = 60_000) {
  return ask(path, (response) => response.json(), { signal: AbortSignal.timeout(patience_ms) });
}

export function send(method, path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, (response) => response.json(), { method, headers, body: JSON.stringify(body) });
}

// What the server makes of a body, as it is.
export function blob(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, (response) => response.blob(), { method: "POST", headers, body: JSON.stringify(body) });
}

export function bytes(path) {
  return ask(path, (response) => response.arrayBuffer());
}

// A picture, ready to be drawn, with what the server says about it; null where there is none.
export async function picture(path) {
  const found = await ask(path, async (response) => {
    if (response.status === 204) return null;
    return { blob: await response.blob(), text: response.headers.get("X-Vos-Mask") ?? "{}" };
  });
  if (!found) return null;
  const about = JSON.parse(found.text); // not where it is read: what cannot be understood has not been lost
  const bitmap = await createImageBitmap(found.blob, { colorSpaceConversion: "none" });
  return { bitmap, about };
}
