// Follows the states of all devices of a tenant for ever, across restarts of the server.
//
//	KEY=wbk_… go run watch.go 127.0.0.1:50051
//
// Generate the package wattbusv1 first: see buf.gen.yaml beside this file.
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	wattbusv1 "example.com/your-app/gen/go/wattbus/v1"
)

const (
	heartbeat = 10 * time.Second
	// The server is never silent for longer than the heartbeat and a tenth of it. After this the connection is dead.
	silence                = 15 * time.Second
	firstWait, longestWait = time.Second, 30 * time.Second
)

// picture is what is known, and the token that belongs to it. A program that stores one stores both, in one
// transaction.
type picture struct {
	states map[string]*wattbusv1.DeviceState
	token  string
}

func main() {
	pings := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second})
	channel, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()), pings)
	if err != nil {
		log.Fatal(err)
	}
	defer channel.Close()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+os.Getenv("KEY"))
	client := wattbusv1.NewDeviceServiceClient(channel)
	known := &picture{states: map[string]*wattbusv1.DeviceState{}}
	for failures := 0; ; failures++ {
		received, err := known.follow(ctx, client)
		if received {
			failures = 0
		}
		why := reasonOf(err)
		switch {
		case why == "RESUME_TOKEN_INVALID":
			known = &picture{states: map[string]*wattbusv1.DeviceState{}}
		case hopeless(status.Code(err)):
			log.Fatal(err)
		}
		// A random time up to a bound that doubles, so that not all clients of a server come back at once.
		wait := rand.N(min(longestWait, firstWait<<min(failures, 10)))
		fmt.Println("lost:", why, "again in", wait.Round(time.Millisecond))
		time.Sleep(wait)
	}
}

// follow takes over the responses of one stream until it ends, and says whether there was any.
func (known *picture) follow(ctx context.Context, client wattbusv1.DeviceServiceClient) (received bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	stream, err := client.WatchDeviceStates(ctx, &wattbusv1.WatchDeviceStatesRequest{
		ResumeToken:       known.token,
		HeartbeatInterval: durationpb.New(heartbeat),
	})
	if err != nil {
		return false, err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return received, err
		}
		watchdog.Reset(silence)
		received = true
		known.takeOver(response)
	}
}

func (known *picture) takeOver(response *wattbusv1.WatchDeviceStatesResponse) {
	// The underscore is Go's: every message has a method Reset already.
	if response.GetReset_() {
		clear(known.states)
		fmt.Println("reset")
	}
	for _, event := range response.GetEvents() {
		if event.GetCause() == wattbusv1.DeviceStateCause_DEVICE_STATE_CAUSE_REMOVED {
			delete(known.states, event.GetDevice())
		} else {
			known.states[event.GetDevice()] = event.GetState()
		}
		fmt.Println(event.GetCause(), event.GetDevice())
	}
	if response.GetInSync() {
		fmt.Println("synced:", len(known.states), "devices")
	}
	// Only now: if this process dies in between, the same response comes once more.
	known.token = response.GetResumeToken()
}

// hopeless says whether connecting again would not help: somebody has to change something.
func hopeless(code codes.Code) bool {
	switch code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented:
		return true
	}
	return false
}

// reasonOf returns the reason in the details of a refusal, or gRPC's own code if the server could not be asked.
func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, found := detail.(*errdetails.ErrorInfo); found {
			return info.GetReason()
		}
	}
	return status.Code(err).String()
}
