// Locks a vehicle, and shows what blocks it if that is refused.
//
//     KEY=wbk_… npx tsx lock_car.ts http://127.0.0.1:50051 devices/…
//
// Generate ./gen/ts first: see buf.gen.yaml beside this file.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { randomUUID } from "node:crypto";
import { ErrorInfoSchema, RetryInfoSchema } from "./gen/ts/google/rpc/error_details_pb.js";
import { Actor, BlockersSchema } from "./gen/ts/wattbus/v1/blocker_pb.js";
import { CommandState, Rung } from "./gen/ts/wattbus/v1/command_pb.js";
import { DeviceService } from "./gen/ts/wattbus/v1/device_service_pb.js";
import { Reason } from "./gen/ts/wattbus/v1/reason_pb.js";

const [baseUrl, device] = process.argv.slice(2) as [string, string];
const client = createClient(DeviceService, createGrpcTransport({ baseUrl }));

try {
  const { command } = await client.createCommand(
    {
      parent: device,
      action: { action: { case: "lock", value: {} } },
      requestId: randomUUID(),
      waitFor: Rung.APPLIED,
    },
    { headers: { authorization: `Bearer ${process.env.KEY}` }, timeoutMs: 40_000 },
  );
  console.log(command?.name, CommandState[command?.state ?? 0]);
} catch (error) {
  explain(ConnectError.from(error));
  process.exitCode = 1;
}

/** Prints the reason of a refusal, who can remove it, and how. */
function explain(refused: ConnectError): void {
  console.log(Code[refused.code], refused.rawMessage);
  for (const { reason, metadata } of refused.findDetails(ErrorInfoSchema)) {
    console.log("reason:", reason, metadata);
  }
  for (const { retryDelay } of refused.findDetails(RetryInfoSchema)) {
    console.log("try again after", Number(retryDelay?.seconds ?? 0n), "s");
  }
  for (const { blockers } of refused.findDetails(BlockersSchema)) {
    for (const blocker of blockers) {
      for (const remedy of blocker.remedies) {
        console.log(Reason[blocker.reason], Actor[remedy.actor], remedy.place, remedy.steps, remedy.link);
      }
    }
  }
}
