package shop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.awt.image.BufferedImage;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.charset.Charset;
import java.nio.file.*;
import java.security.*;
import java.text.NumberFormat;
import java.time.*;
import java.time.format.*;
import java.util.*;
import java.util.concurrent.Executors;
import java.util.zip.GZIPOutputStream;
import javax.crypto.Cipher;
import javax.crypto.spec.*;
import javax.net.ssl.*;
import javax.xml.parsers.DocumentBuilderFactory;

public class Main {
    public static void main(String[] args) throws Exception {
        boolean tls = args.length > 0 && args[0].equals("--tls");
        HttpServer server = tls ? secure() : HttpServer.create(new InetSocketAddress(8080), 0);
        server.createContext("/", exchange -> {
            Map<String, String> query = new HashMap<>();
            if (exchange.getRequestURI().getRawQuery() != null)
                for (String pair : exchange.getRequestURI().getRawQuery().split("&"))
                    query.put(pair.split("=")[0], URLDecoder.decode(pair.split("=", 2)[1], "UTF-8"));
            byte[] body;
            int status = 200;
            try {
                body = answer(exchange.getRequestURI().getPath(), query);
                if (body == null) { status = 404; body = "nothing here\n".getBytes(); }
            } catch (Throwable e) {
                e.printStackTrace();
                status = 500;
                body = e.toString().getBytes();
            }
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("bye")));
        System.out.println("listening");
    }

    static HttpServer secure() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream("/tls/store.p12"), "changeit".toCharArray());
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, "changeit".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        HttpsServer server = HttpsServer.create(new InetSocketAddress(8080), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        return server;
    }

    static byte[] answer(String path, Map<String, String> query) throws Exception {
        Locale locale = Locale.forLanguageTag(query.getOrDefault("locale", "en"));
        switch (path) {
            case "/":
                return ServiceLoader.load(Greeter.class).findFirst().get().greet(locale).getBytes("UTF-8");
            case "/price":
                return NumberFormat.getNumberInstance(locale).format(1234567.5).getBytes("UTF-8");
            case "/when":
                return ZonedDateTime.of(2024, 7, 1, 12, 0, 0, 0, ZoneId.of("UTC")).withZoneSameInstant(ZoneId.of(query.get("zone")))
                    .format(DateTimeFormatter.ofLocalizedDateTime(FormatStyle.FULL, FormatStyle.SHORT).withLocale(locale)).getBytes("UTF-8");
            case "/encode":
                return HexFormat.of().formatHex("日本".getBytes(Charset.forName(query.get("codec")))).getBytes();
            case "/image":
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                BufferedImage image = new BufferedImage(30, 20, BufferedImage.TYPE_INT_RGB);
                image.createGraphics().fillRect(0, 0, 10, 10);
                javax.imageio.ImageIO.write(image, query.get("type"), out);
                return out.toByteArray();
            case "/crypt":
                Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
                cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(new byte[16], "AES"), new GCMParameterSpec(128, new byte[12]));
                return HexFormat.of().formatHex(cipher.doFinal("x".getBytes())).getBytes();
            case "/digest":
                return HexFormat.of().formatHex(MessageDigest.getInstance("SHA3-256").digest("x".getBytes())).getBytes();
            case "/xml":
                return DocumentBuilderFactory.newInstance().newDocumentBuilder()
                    .parse(new ByteArrayInputStream("<a><b>x</b></a>".getBytes())).getDocumentElement().getTextContent().getBytes();
            case "/gzip":
                ByteArrayOutputStream zipped = new ByteArrayOutputStream();
                try (GZIPOutputStream gzip = new GZIPOutputStream(zipped)) { gzip.write("hello".getBytes()); }
                return zipped.toByteArray();
            case "/fetch":
                return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(query.get("url"))).build(),
                    HttpResponse.BodyHandlers.ofString()).body().getBytes();
            case "/authorities":
                TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
                trust.init((KeyStore) null);
                return (((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers().length > 50 ? "many" : "few").getBytes();
            case "/child":
                return new ProcessBuilder("sh", "-c", "echo from-a-shell").start().getInputStream().readAllBytes();
            case "/beans":
                return java.lang.management.ManagementFactory.getPlatformMBeanServer().getMBeanCount() > 10 ? "beans".getBytes() : null;
            case "/log":
                java.util.logging.Logger.getLogger("shop").warning("a warning");
                return "logged".getBytes();
            case "/temporary":
                Path file = Files.createTempFile("shop", ".txt");
                Files.writeString(file, "kept");
                return Files.readAllBytes(file);
            case "/lookup":
                return InetAddress.getByName("localhost").getHostAddress().getBytes();
            case "/random":
                return SecureRandom.getInstanceStrong().nextInt() != 0 ? "random".getBytes() : null;
            default:
                return null;
        }
    }
}
