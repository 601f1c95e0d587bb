// Work as a module, in Node: node examples/client.mjs [name] [http://host:port]
// The address may also come from FORECAST_PLATFORM.
// Needs Node 22, or Node 20 with --experimental-websocket, or `npm install ws`.
const { FORECAST_PLATFORM = "http://localhost:10080" } = process.env;
const [name = "node-load", platform = FORECAST_PLATFORM] = process.argv.slice(2);
const WebSocket = globalThis.WebSocket ?? (await import("ws").catch(() => ({}))).WebSocket;
if (!WebSocket) {
  console.error("This Node has no WebSocket: take Node 22, or node --experimental-websocket (Node 20), or `npm install ws`.");
  process.exit(1);
}
const HEARTBEAT_MS = 30_000, PAUSES_MS = { 4503: 600_000, 4509: 60_000, 4523: 600_000 };
const results = new Map(); // by message: what comes twice is answered with the same result
const unconfirmed = []; // results in the order in which they were sent, until `receive result`

const forecast = (message) => ({ answer_to: message?.args ?? message }); // your model

async function register() {
  const body = JSON.stringify({ name, description: "An example in Node", missionKind: "load" });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${platform}/module/register`, { method: "POST", headers, body });
  const envelope = await answer.json();
  if (!answer.ok) throw new Error(envelope.message);
  return envelope.result.hash;
}

const live = (hash) => new Promise((end) => {
  const socket = new WebSocket(`${platform.replace(/^http/, "ws")}/websocket?hash=${hash}`);
  const say = (content) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(content));
  let confirmedAt = Date.now();
  const beat = () => (Date.now() - confirmedAt > 2 * HEARTBEAT_MS ? socket.close() : socket.send("heartbeat"));
  const timer = setInterval(beat, HEARTBEAT_MS);
  socket.onopen = () => {
    console.log(`connected as ${name} to ${platform}`);
    say({ type: "hello", sdk: "client.mjs", acks: true, in_flight: 1 }); beat(); unconfirmed.forEach(say);
  };
  socket.onmessage = ({ data }) => {
    if (data === "heartbeat confirm") confirmedAt = Date.now();
    else if (data === "receive result") unconfirmed.shift();
    else if (data.startsWith("{")) handle(JSON.parse(data));
  };
  socket.onclose = ({ code, reason }) => { clearInterval(timer); console.log("closed:", code, reason); end(code); };
  socket.onerror = () => {}; // onclose comes, too
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
  const code = await register().then(live).catch((error) => console.log(`not registered at ${platform}:`, error.cause?.message || error.cause?.code || error.message));
  if (Date.now() - began > HEARTBEAT_MS) failures = 1;
  const pause = Math.random() * Math.min(60_000, 1000 * 2 ** failures) + (PAUSES_MS[code] ?? 0);
  await new Promise((done) => setTimeout(done, pause));
}
