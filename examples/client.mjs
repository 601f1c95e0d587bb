// Work as a module, in Node: node examples/client.mjs [name] [http://host:port]
// Without an address: FORECAST_PLATFORM, else SERVER_PORT of .env, else http://localhost:10088.
// Needs Node 22, or Node 20 with --experimental-websocket, or `npm install ws`.
import { readFileSync } from "node:fs";

const WebSocket = globalThis.WebSocket ?? (await import("ws").catch(() => ({}))).WebSocket;
if (!WebSocket) giveUp("This Node has no WebSocket: take Node 22, or node --experimental-websocket (Node 20), or `npm install ws`.");
const HEARTBEAT_MS = 30_000, CONFIRM_MS = 60_000, LONGEST_PAUSE_MS = 60_000;
const DISABLED = 4523, PAUSES_MS = { 4503: 600_000, 4509: 60_000, [DISABLED]: 600_000 };
const FINAL_STATUSES = [400, 413, 414, 415, 431]; // the same words will be refused again
const results = new Map(); // by message: what comes twice is answered with the same result
const unconfirmed = []; // results in the order in which they were sent, until `receive result`

const forecast = (message) => ({ answer_to: message?.args ?? message }); // your model

const words = process.argv.slice(2), isAddress = (word) => /:\/\/|^[\w.-]+:\d+$/.test(word);
const name = words.find((word) => !isAddress(word)) ?? "node-load";
const address = words.find(isAddress) ?? process.env.FORECAST_PLATFORM ?? readEnvFile() ?? "localhost:10080";
// Node refuses to open port 10080, as browsers do; WEB_PORT, 10088, is the same door.
const platform = address.replace(/^(?!.*:\/\/)/, "http://").replace(/\/$/, "").replace(/:10080$/, ":10088");
if (!/^https?:\/\/[^/?#]+[^?#]*$/.test(platform)) giveUp(`The platform's address is like http://localhost:10088, not '${address}'.`);

function readEnvFile() {
  const files = [".env", new URL("../.env", import.meta.url)], none = ""; // or another user's
  const read = (file) => { try { return readFileSync(file, "utf8"); } catch { return none; } };
  const text = files.map(read).join("\n");
  const [, key, value] = /^(?:export )?(FORECAST_PLATFORM|SERVER_PORT)\s*=\s*['"]?([^'"\s]+)/m.exec(text) ?? [];
  return key === "SERVER_PORT" ? `localhost:${value}` : value;
}

function giveUp(sentence) {
  console.error(sentence);
  process.exit(1);
}

const retryLater = (problem, pause = 0) => Object.assign(new Error(problem), { pause });

async function register() {
  const body = JSON.stringify({ name, description: "An example in Node", missionKind: "load" });
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body, signal: AbortSignal.timeout(15_000) };
  const answer = await fetch(`${platform}/module/register`, options).catch(({ cause, message }) => {
    const why = cause?.message || cause?.code || message;
    throw retryLater(`no answer (${why}): is the platform up, and is this its port?`);
  });
  const { message, result } = await answer.json().catch(() => ({}));
  if (message === undefined) throw retryLater(`another program answers there (HTTP ${answer.status}): is this its port?`);
  if (FINAL_STATUSES.includes(answer.status)) giveUp(`${platform} does not register ${name}: ${message}`);
  if (!answer.ok) throw retryLater(message, 1000 * (Number(answer.headers.get("Retry-After")) || 0));
  // A refused handshake hides its status from programs in Node.
  if (result.enabled === false) throw retryLater("an operator disabled this module", PAUSES_MS[DISABLED]);
  return result.hash;
}

const live = (hash) => new Promise((end) => {
  const socket = new WebSocket(`${platform.replace(/^http/, "ws")}/websocket?hash=${hash}`);
  const say = (content) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(content));
  const beat = () => socket.send("heartbeat");
  let timer, watch, isOver = false;
  const leave = (code, reason) => {
    if (isOver) return;
    isOver = true;
    clearInterval(timer); clearTimeout(watch);
    socket.onopen = socket.onmessage = null;
    console.log("closed:", code, reason);
    end(PAUSES_MS[code]);
  };
  const expectConfirmation = () => {
    clearTimeout(watch); // a connection that was cut does not tell: nothing comes any more
    watch = setTimeout(() => { socket.close(); leave(0, "no heartbeat was confirmed"); }, CONFIRM_MS);
  };
  expectConfirmation();
  socket.onopen = () => {
    console.log(`connected as ${name} to ${platform}`);
    say({ type: "hello", sdk: "client.mjs", acks: true, in_flight: 1 }); beat(); unconfirmed.forEach(say);
    timer = setInterval(beat, HEARTBEAT_MS);
  };
  socket.onmessage = ({ data }) => {
    if (data === "heartbeat confirm") expectConfirmation();
    else if (data === "receive result") unconfirmed.shift();
    else if (data.startsWith("{")) handle(JSON.parse(data));
  };
  socket.onclose = ({ code, reason }) => leave(code, reason);
  // Node 20 closes nothing after a refused handshake; all others close next, with a code.
  socket.onerror = () => setTimeout(leave, 1000, 1006, "no connection");
  function handle({ type, id, message, status, message: problem }) {
    if (type === "ping") return say({ type: "pong" });
    if (status === "error") return console.log("refused:", problem, unconfirmed.shift());
    if (id === undefined || message === undefined) return;
    say({ type: "ack", id });
    if (!results.has(id)) {
      try { results.set(id, { type: "result", id, status: "success", result: forecast(message) }); }
      catch (error) { results.set(id, { type: "result", id, status: "failure", error: String(error) }); }
    }
    if (results.size > 1000) results.delete(results.keys().next().value); // the oldest
    unconfirmed.push(results.get(id));
    say(results.get(id));
  }
});

for (let failures = 1; ; failures++) { // full jitter: a thousand modules must not come at once
  const began = Date.now();
  const longer = await register().then(live).catch(({ message, pause }) => {
    console.log(`not registered at ${platform}:`, message);
    return pause;
  });
  if (Date.now() - began > HEARTBEAT_MS) failures = 1;
  const pause = Math.random() * Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** failures) + (longer ?? 0);
  console.log(`next attempt in ${(pause / 1000).toFixed(1)} s`);
  await new Promise((done) => setTimeout(done, pause));
}
