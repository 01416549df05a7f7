// Signs every example payload with GitHub's own helper and posts it to a relay; then once more with one bit flipped
// in the body, and once more with one bit flipped in the signature. Says how often each status was answered.
//
//   node post.mjs http://127.0.0.1:8060/hooks/github SECRET
//   {"ping":{"202":4},"good":{"202":325},"body":{"401":329},"signature":{"401":329}}

import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";
import { sign } from "@octokit/webhooks-methods";

const events = createRequire(import.meta.url)("@octokit/webhooks-examples");
const [url, secret] = process.argv.slice(2);
const answers = { ping: {}, good: {}, body: {}, signature: {} };

async function post(kind, event, body, signature) {
  const headers = {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/0000000",
    "x-github-event": event,
    "x-github-delivery": randomUUID(),
    "x-hub-signature-256": signature,
  };
  const answer = await fetch(url, { method: "POST", headers, body });
  await answer.text();
  answers[kind][answer.status] = (answers[kind][answer.status] ?? 0) + 1;
}

// The body with one bit of its middle byte flipped, another one each time.
function flipped(body) {
  const copy = Buffer.from(body);
  copy[body.length >> 1] ^= 1 << (body.length % 8);
  return copy;
}

// The signature with one of its bits flipped: another digit, but a digit.
function forged(signature) {
  const at = signature.length - 7;
  const digit = (parseInt(signature[at], 16) ^ 1).toString(16);
  return signature.slice(0, at) + digit + signature.slice(at + 1);
}

for (const { name, examples } of events) {
  for (const example of examples) {
    const text = JSON.stringify(example);
    const body = Buffer.from(text);
    const signature = await sign(secret, text);
    await post("body", name, flipped(body), signature);
    await post("signature", name, body, forged(signature));
    await post(name === "ping" ? "ping" : "good", name, body, signature);
  }
}
console.log(JSON.stringify(answers));
