// Calls of the API by the page's own scripts. The session's token goes along in a header, as the hub asks of every change.

/** Calls the API; gives the answer's JSON, or throws an Error with the status and the hub's own sentence. */
export async function call(method, path, body) {
  const headers = { accept: "application/json" };
  const token = document.querySelector('meta[name="domovoi-csrf"]');
  if (token) headers["x-csrf-token"] = token.content;
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
  });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : {};
  if (!answer.ok) {
    const error = new Error(json.title || String(answer.status));
    error.status = answer.status;
    throw error;
  }
  return json;
}

/** Base64url of bytes, as WebAuthn's JSON has it. */
export function toText(buffer) {
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Bytes of base64url. */
export function toBytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
