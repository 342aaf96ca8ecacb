// Follows the states of all devices of a tenant for ever, across restarts of the server. How to run it: see pom.xml
// beside this file.

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import wattbus.v1.DeviceServiceGrpc;
import wattbus.v1.DeviceServiceGrpc.DeviceServiceBlockingStub;
import wattbus.v1.DeviceServiceOuterClass.DeviceStateCause;
import wattbus.v1.DeviceServiceOuterClass.DeviceStateEvent;
import wattbus.v1.DeviceServiceOuterClass.WatchDeviceStatesRequest;
import wattbus.v1.DeviceServiceOuterClass.WatchDeviceStatesResponse;
import wattbus.v1.State.DeviceState;

public final class Watch {
  private static final int HEARTBEAT_SECONDS = 10;
  // The server is never silent for longer than the heartbeat and a tenth of it. After this the connection is dead.
  private static final int SILENCE_SECONDS = 15;
  private static final long FIRST_WAIT_MILLIS = 1_000;
  private static final long LONGEST_WAIT_MILLIS = 30_000;
  // Connecting again does not help against these; somebody has to change something.
  private static final Set<Status.Code> HOPELESS =
      EnumSet.of(
          Status.Code.UNAUTHENTICATED,
          Status.Code.PERMISSION_DENIED,
          Status.Code.INVALID_ARGUMENT,
          Status.Code.UNIMPLEMENTED);

  private final DeviceServiceBlockingStub client;
  private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
  // What is known, and the token that belongs to it. A program that stores one stores both, in one transaction.
  private final Map<String, DeviceState> states = new HashMap<>();
  private String resumeToken = "";
  private int failures;

  private Watch(DeviceServiceBlockingStub client) {
    this.client = client;
  }

  public static void main(String[] arguments) throws Exception {
    Metadata metadata = new Metadata();
    metadata.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + System.getenv("KEY"));
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create())
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .intercept(MetadataUtils.newAttachHeadersInterceptor(metadata))
            .build();
    try {
      new Watch(DeviceServiceGrpc.newBlockingStub(channel)).watch();
    } finally {
      channel.shutdownNow();
    }
  }

  private void watch() throws InterruptedException, InvalidProtocolBufferException {
    try {
      while (true) {
        String why = "the server ended the stream";
        try {
          follow();
        } catch (StatusRuntimeException ended) {
          why = reasonOf(ended);
          if (why.equals("RESUME_TOKEN_INVALID")) {
            states.clear();
            resumeToken = "";
          } else if (HOPELESS.contains(ended.getStatus().getCode())) {
            throw ended;
          }
        }
        // A random time up to a bound that doubles, so that not all clients of a server come back at once.
        long bound = Math.min(LONGEST_WAIT_MILLIS, FIRST_WAIT_MILLIS << Math.min(failures++, 10));
        long wait = ThreadLocalRandom.current().nextLong(bound);
        System.out.println("lost: " + why + " again in " + wait + " ms");
        Thread.sleep(wait);
      }
    } finally {
      clock.shutdownNow();
    }
  }

  /** Takes over the responses of one stream until it ends. */
  private void follow() {
    Context.CancellableContext stream = Context.current().withCancellation();
    Context before = stream.attach();
    try {
      Iterator<WatchDeviceStatesResponse> responses =
          client.watchDeviceStates(
              WatchDeviceStatesRequest.newBuilder()
                  .setResumeToken(resumeToken)
                  .setHeartbeatInterval(Duration.newBuilder().setSeconds(HEARTBEAT_SECONDS))
                  .build());
      while (hasNext(responses, stream)) {
        takeOver(responses.next());
        failures = 0;
      }
    } finally {
      stream.detach(before);
      stream.cancel(null);
    }
  }

  /** Waits for the next response, and cancels a stream that falls silent. */
  private boolean hasNext(Iterator<WatchDeviceStatesResponse> responses, Context.CancellableContext stream) {
    Future<?> watchdog = clock.schedule(() -> stream.cancel(null), SILENCE_SECONDS, TimeUnit.SECONDS);
    try {
      return responses.hasNext();
    } finally {
      watchdog.cancel(false);
    }
  }

  private void takeOver(WatchDeviceStatesResponse response) {
    if (response.getReset()) {
      states.clear();
      System.out.println("reset");
    }
    for (DeviceStateEvent event : response.getEventsList()) {
      if (event.getCause() == DeviceStateCause.DEVICE_STATE_CAUSE_REMOVED) {
        states.remove(event.getDevice());
      } else {
        states.put(event.getDevice(), event.getState());
      }
      System.out.println(event.getCause() + " " + event.getDevice());
    }
    if (response.getInSync()) {
      System.out.println("synced: " + states.size() + " devices");
    }
    // Only now: if this process dies in between, the same response comes once more.
    resumeToken = response.getResumeToken();
  }

  /** Returns the reason in the details of a refusal, or gRPC's own code if the server could not be asked. */
  private static String reasonOf(StatusRuntimeException ended) throws InvalidProtocolBufferException {
    for (Any detail : StatusProto.fromThrowable(ended).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        return detail.unpack(ErrorInfo.class).getReason();
      }
    }
    return ended.getStatus().getCode().name();
  }
}
