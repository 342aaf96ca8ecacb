#!/usr/bin/env bash
# The first calls with grpcurl. Start `wattbus demo`, take the key that it prints, then:
#
#     KEY=wbk_… docs/examples/first_calls.sh
set -euo pipefail
: "${KEY:?set KEY to the API key that the demo printed}"
ADDRESS=${ADDRESS:-127.0.0.1:50051}

call() { # METHOD JSON
  grpcurl -plaintext -H "authorization: Bearer $KEY" -d "$2" "$ADDRESS" "wattbus.v1.DeviceService/$1"
}
first_name() { # KIND
  call ListDevices "{\"selection\": {\"kinds\": [\"$1\"]}}" | grep -o '"devices/[a-z0-9]*"' | head -n 1
}

echo "== The battery and its state"
battery=$(first_name DEVICE_KIND_BATTERY)
call GetDeviceState "{\"name\": $battery}"

echo "== What would setting its reserve to 25 % meet?"
action='{"set_backup_reserve": {"reserve_percent": 25}}'
call CheckCommand "{\"parent\": $battery, \"action\": $action}"

echo "== Set it, and wait until the device shows it"
request_id=first-calls-$(date +%s)
call CreateCommand "{\"parent\": $battery, \"action\": $action, \"request_id\": \"$request_id\", \"wait_for\": \"RUNG_APPLIED\"}"

echo "== A refusal: a reserve that the device cannot hold"
call CreateCommand "{\"parent\": $battery, \"action\": {\"set_backup_reserve\": {\"reserve_percent\": 90}}}" && exit 1

echo "== What blocks anything at the moment?"
call ListBlockers '{}'

echo "== Five seconds of the stream"
grpcurl -plaintext -max-time 5 -H "authorization: Bearer $KEY" -d '{"state_mask": {"paths": ["battery.energy"]}}' \
  "$ADDRESS" wattbus.v1.DeviceService/WatchDeviceStates || true
