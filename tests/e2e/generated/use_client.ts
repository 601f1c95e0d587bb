// Registers a module, finds it among those that are online, and closes its socket.
// Usage: node use_client.ts <address> <name>

import { client } from "./client/client.gen.ts";
import { closeWebsocket, listOnlineModules, registerModule, showModule } from "./client/sdk.gen.ts";
import type { State } from "./client/types.gen.ts";

declare const process: { argv: string[] };
const [baseUrl, name] = process.argv.slice(2);
client.setConfig({ baseUrl });

const registered = await registerModule({
  body: { name, missionKind: "load", dataRequirement: [{ table_name: "hourly_load" }] },
  throwOnError: true,
});
const hash: string = registered.data.result.hash;

const online = await listOnlineModules({ query: { missionKind: "load" }, throwOnError: true });
const found = online.data.result.find((module) => module.module_hash === hash);
const state: State | undefined = found?.state;

const closed = await closeWebsocket({ body: { module_hash: hash }, throwOnError: true });
const unknown = await showModule({ path: { module: "nobody of this name" } });

console.log(
  JSON.stringify({
    hash,
    state,
    closed: closed.data.result.module_name,
    refused: unknown.error?.code,
    tag: online.response.headers.has("etag"),
  }),
);
