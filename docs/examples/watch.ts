// Follows the states of all devices of a tenant for ever, across restarts of the server.
//
//     KEY=wbk_… npx tsx watch.ts http://127.0.0.1:50051
//
// Generate ./gen/ts first: see buf.gen.yaml beside this file.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { setTimeout as sleep } from "node:timers/promises";
import { ErrorInfoSchema } from "./gen/ts/google/rpc/error_details_pb.js";
import { DeviceService, DeviceStateCause } from "./gen/ts/wattbus/v1/device_service_pb.js";
import type { WatchDeviceStatesResponse } from "./gen/ts/wattbus/v1/device_service_pb.js";
import type { DeviceState } from "./gen/ts/wattbus/v1/state_pb.js";

const HEARTBEAT_SECONDS = 10;
// The server is never silent for longer than the heartbeat and a tenth of it. After this the connection is dead.
const SILENCE_MS = HEARTBEAT_SECONDS * 1500;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
// Connecting again does not help against these; somebody has to change something. `Canceled` is not among them: Connect
// also calls it so when the server is killed.
const HOPELESS = new Set([Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument, Code.Unimplemented]);

const [baseUrl] = process.argv.slice(2) as [string];
const transport = createGrpcTransport({ baseUrl, pingIntervalMs: 30_000, pingTimeoutMs: 10_000 });
const client = createClient(DeviceService, transport);

// What is known, and the token that belongs to it. A program that stores one stores both, in one transaction.
const states = new Map<string, DeviceState>();
let resumeToken = "";

for (let failures = 0; ; failures++) {
  let why = "the server ended the stream";
  try {
    for await (const response of responses()) {
      takeOver(response);
      failures = 0;
    }
  } catch (error) {
    const ended = ConnectError.from(error);
    why = ended.findDetails(ErrorInfoSchema)[0]?.reason ?? Code[ended.code];
    if (why === "RESUME_TOKEN_INVALID") {
      states.clear();
      resumeToken = "";
    } else if (HOPELESS.has(ended.code)) {
      throw ended;
    }
  }
  // A random time up to a bound that doubles, so that not all clients of a server come back at once.
  const wait = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
  console.log("lost:", why, "again in", Math.round(wait), "ms");
  await sleep(wait);
}

/** The responses of one stream; it is given up when it falls silent. */
async function* responses(): AsyncGenerator<WatchDeviceStatesResponse> {
  const silent = new AbortController();
  const watchdog = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const request = { resumeToken, heartbeatInterval: { seconds: BigInt(HEARTBEAT_SECONDS) } };
    const headers = { authorization: `Bearer ${process.env.KEY}` };
    for await (const response of client.watchDeviceStates(request, { headers, signal: silent.signal })) {
      watchdog.refresh();
      yield response;
    }
  } finally {
    clearTimeout(watchdog);
  }
}

function takeOver(response: WatchDeviceStatesResponse): void {
  if (response.reset) {
    states.clear();
    console.log("reset");
  }
  for (const { cause, device, state } of response.events) {
    if (state === undefined) {
      states.delete(device);
    } else {
      states.set(device, state);
    }
    console.log(DeviceStateCause[cause], device);
  }
  if (response.inSync) {
    console.log("synced:", states.size, "devices");
  }
  // Only now: if this process dies in between, the same response comes once more.
  resumeToken = response.resumeToken;
}
