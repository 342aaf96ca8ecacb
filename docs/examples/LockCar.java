// Locks a vehicle, and shows what blocks it if that is refused. How to run it: see pom.xml beside this file.

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import wattbus.v1.ActionOuterClass.Action;
import wattbus.v1.ActionOuterClass.Lock;
import wattbus.v1.BlockerOuterClass.Blocker;
import wattbus.v1.BlockerOuterClass.Blockers;
import wattbus.v1.BlockerOuterClass.Remedy;
import wattbus.v1.CommandOuterClass.Command;
import wattbus.v1.CommandOuterClass.Rung;
import wattbus.v1.DeviceServiceGrpc;
import wattbus.v1.DeviceServiceOuterClass.CreateCommandRequest;

public final class LockCar {
  public static void main(String[] arguments) throws Exception {
    Metadata metadata = new Metadata();
    metadata.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + System.getenv("KEY"));
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create())
            .intercept(MetadataUtils.newAttachHeadersInterceptor(metadata))
            .build();
    CreateCommandRequest request =
        CreateCommandRequest.newBuilder()
            .setParent(arguments[1])
            .setAction(Action.newBuilder().setLock(Lock.getDefaultInstance()))
            .setRequestId(UUID.randomUUID().toString())
            .setWaitFor(Rung.RUNG_APPLIED)
            .build();
    try {
      Command command =
          DeviceServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(40, TimeUnit.SECONDS)
              .createCommand(request)
              .getCommand();
      System.out.println(command.getName() + " " + command.getState());
    } catch (StatusRuntimeException refused) {
      explain(refused);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  /** Prints the reason of a refusal, who can remove it, and how. */
  private static void explain(StatusRuntimeException refused) throws InvalidProtocolBufferException {
    System.out.println(refused.getMessage());
    for (Any detail : StatusProto.fromThrowable(refused).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        System.out.println("reason: " + info.getReason() + " " + info.getMetadataMap());
      } else if (detail.is(RetryInfo.class)) {
        System.out.println("try again after " + detail.unpack(RetryInfo.class).getRetryDelay().getSeconds() + " s");
      } else if (detail.is(Blockers.class)) {
        for (Blocker blocker : detail.unpack(Blockers.class).getBlockersList()) {
          for (Remedy remedy : blocker.getRemediesList()) {
            System.out.printf(
                "%s %s %s %s %s%n",
                blocker.getReason(), remedy.getActor(), remedy.getPlace(), remedy.getStepsList(), remedy.getLink());
          }
        }
      }
    }
  }
}
