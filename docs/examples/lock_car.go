// Locks a vehicle, and shows what blocks it if that is refused.
//
//	KEY=wbk_… go run lock_car.go 127.0.0.1:50051 devices/…
//
// Generate the package wattbusv1 first: see buf.gen.yaml beside this file.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	wattbusv1 "example.com/your-app/gen/go/wattbus/v1"
)

func main() {
	channel, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer channel.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Getenv("KEY"))

	answer, err := wattbusv1.NewDeviceServiceClient(channel).CreateCommand(ctx, &wattbusv1.CreateCommandRequest{
		Parent:    os.Args[2],
		Action:    &wattbusv1.Action{Action: &wattbusv1.Action_Lock{Lock: &wattbusv1.Lock{}}},
		RequestId: fmt.Sprintf("lock-%d", time.Now().UnixNano()),
		WaitFor:   wattbusv1.Rung_RUNG_APPLIED,
	})
	if err != nil {
		explain(err)
		os.Exit(1)
	}
	fmt.Println(answer.GetCommand().GetName(), answer.GetCommand().GetState())
}

// explain prints the reason of a refusal, who can remove it, and how.
func explain(err error) {
	refused := status.Convert(err)
	fmt.Println(refused.Code(), refused.Message())
	for _, detail := range refused.Details() {
		switch found := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Println("reason:", found.GetReason(), found.GetMetadata())
		case *errdetails.RetryInfo:
			fmt.Println("try again after", found.GetRetryDelay().AsDuration())
		case *wattbusv1.Blockers:
			for _, blocker := range found.GetBlockers() {
				for _, remedy := range blocker.GetRemedies() {
					fmt.Println(blocker.GetReason(), remedy.GetActor(), remedy.GetPlace(), remedy.GetSteps(), remedy.GetLink())
				}
			}
		}
	}
}
