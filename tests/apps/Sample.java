package sample;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The smallest application that deploys like a Spring Boot one: a jar that is told its slot by
 * -Dspring.profiles.active and its port by SERVER_PORT, and that is healthy only when it has booted.
 *
 * <p>Boot takes -Dsample.boot=MS or $SAMPLE_BOOT milliseconds, in which it listens and says DOWN.
 */
public final class Sample {
    private static final long GRACE_SECONDS = 10;

    /** The requests in flight are its parties, and the one that stops the server. */
    private static final Phaser IN_FLIGHT = new Phaser(1);

    private static volatile boolean booted = false;

    /** What a page says: its status and its body. */
    private record Page(int status, String body) {}

    /** A page that is looked up anew for each request. */
    private interface Pages {
        Page now();
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        int port = Integer.parseInt(setting("server.port", "SERVER_PORT", "8080"));
        long boot = Long.parseLong(setting("sample.boot", "SAMPLE_BOOT", "0"));
        String profile = System.getProperty("spring.profiles.active", "default");
        String version = Sample.class.getPackage().getImplementationVersion();

        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        serve(server, "/profile", () -> new Page(200, profile));
        serve(server, "/version", () -> new Page(200, String.valueOf(version)));
        serve(server, "/actuator/health", Sample::health);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(server)));
        server.start();
        System.out.println("Sample " + version + " listens on " + port + " as " + profile);
        Thread.sleep(boot);
        booted = true;
        System.out.println("Started Sample in " + boot + " ms");
    }

    private static Page health() {
        return booted ? new Page(200, "{\"status\":\"UP\"}") : new Page(503, "{\"status\":\"DOWN\"}");
    }

    private static void serve(HttpServer server, String path, Pages pages) {
        server.createContext(path, exchange -> {
            IN_FLIGHT.register();
            try {
                answer(exchange, pages.now());
            } finally {
                IN_FLIGHT.arriveAndDeregister();
            }
        });
    }

    private static void answer(HttpExchange exchange, Page page) throws IOException {
        byte[] body = page.body().getBytes(StandardCharsets.UTF_8);
        String type = page.body().startsWith("{") ? "application/json" : "text/plain;charset=UTF-8";
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(page.status(), body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    /**
     * Stops accepting and lets requests in flight end. HttpServer.stop does both, but before Java 21
     * it sits out its whole delay when nothing is in flight, so it gets a thread that need not end.
     */
    private static void stop(HttpServer server) {
        Thread closing = new Thread(() -> server.stop((int) GRACE_SECONDS));
        closing.setDaemon(true);
        closing.start();
        int phase = IN_FLIGHT.arrive();
        try {
            IN_FLIGHT.awaitAdvanceInterruptibly(phase, GRACE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException | TimeoutException late) {
            System.err.println("Sample stops with requests in flight");
        }
    }

    private static String setting(String property, String variable, String otherwise) {
        String value = System.getProperty(property, System.getenv(variable));
        return value == null ? otherwise : value;
    }
}
