import java.lang.management.ManagementFactory;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Answers one request for each connection. */
public class Worker {
    public static void main(String[] args) throws Exception {
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(Path.of(System.getenv("SOCKET_PATH"))));
            while (true) {
                try (var client = server.accept()) {
                    answer(client);
                }
            }
        }
    }

    static void answer(SocketChannel client) throws Exception {
        var in = ByteBuffer.allocate(64 << 10);
        var head = "";
        while (!head.contains("\r\n\r\n")) {
            if (client.read(in) < 0) {
                return;
            }
            head = new String(in.array(), 0, in.position(), StandardCharsets.ISO_8859_1);
        }
        var compiler = ManagementFactory.getCompilationMXBean();
        var jit = compiler != null && compiler.getTotalCompilationTime() > 0;
        var child = new ProcessBuilder("true").start().waitFor() == 0;
        var text = "jit=" + jit + " child=" + child;
        var out = "HTTP/1.1 200 OK\r\nContent-Length: " + text.length() + "\r\nConnection: close\r\n\r\n" + text;
        client.write(ByteBuffer.wrap(out.getBytes(StandardCharsets.ISO_8859_1)));
    }
}
