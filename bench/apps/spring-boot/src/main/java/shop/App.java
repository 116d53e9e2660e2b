package shop;

import jakarta.validation.Valid;
import java.awt.*;
import java.awt.image.BufferedImage;
import java.io.*;
import java.net.http.*;
import java.net.*;
import java.nio.charset.Charset;
import java.text.*;
import java.time.*;
import java.time.format.*;
import java.util.*;
import java.util.List;
import javax.imageio.ImageIO;
import org.apache.poi.ss.usermodel.*;
import org.apache.poi.xssf.usermodel.XSSFWorkbook;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cache.annotation.*;
import org.springframework.data.domain.*;
import org.springframework.http.*;
import org.springframework.mail.javamail.*;
import org.springframework.scheduling.annotation.*;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.MethodArgumentNotValidException;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.multipart.MultipartFile;
import org.springframework.web.servlet.mvc.method.annotation.SseEmitter;

@SpringBootApplication
@EnableCaching
@EnableAsync
public class App {
    public static void main(String[] arguments) {
        SpringApplication.run(App.class, arguments);
    }
}

@Controller
class Pages {
    final Fruits fruits;
    Pages(Fruits fruits) { this.fruits = fruits; }

    @GetMapping("/")
    String list(Model model) {
        model.addAttribute("fruits", fruits.findAll(Sort.by("name")));
        model.addAttribute("day", new Date(1720000000000L));
        return "fruits";
    }
}

@RestController
class Api {
    final Fruits fruits;
    final JavaMailSender mail;
    @Value("${shop.currency}") String currency;
    Api(Fruits fruits, JavaMailSender mail) { this.fruits = fruits; this.mail = mail; }

    @GetMapping("/fruits") List<Fruit> all() { return fruits.findAll(); }
    @GetMapping("/search") List<Fruit> search(@RequestParam String q) { return fruits.findByNameContainingIgnoreCaseOrderByName(q); }
    @GetMapping("/page") Page<Fruit> page(Pageable pageable) { return fruits.findAll(pageable); }
    @GetMapping("/average") String average() { return fruits.average() + " " + currency; }
    @PostMapping("/fruits") @ResponseStatus(HttpStatus.CREATED) Fruit add(@Valid @RequestBody Fruit fruit) { return fruits.save(fruit); }

    @ExceptionHandler(MethodArgumentNotValidException.class) @ResponseStatus(HttpStatus.BAD_REQUEST)
    Map<String, String> invalid(MethodArgumentNotValidException e) {
        var result = new TreeMap<String, String>();
        e.getFieldErrors().forEach(f -> result.put(f.getField(), f.getDefaultMessage()));
        return result;
    }

    @GetMapping("/sheet.xlsx")
    ResponseEntity<byte[]> sheet() throws IOException {
        try (var book = new XSSFWorkbook(); var out = new ByteArrayOutputStream()) {
            var sheet = book.createSheet("Fruit");
            int n = 0;
            for (var fruit : fruits.findAll()) {
                Row row = sheet.createRow(n++);
                row.createCell(0).setCellValue(fruit.name);
                row.createCell(1).setCellValue(fruit.price.doubleValue());
            }
            sheet.autoSizeColumn(0);
            book.write(out);
            return ResponseEntity.ok(out.toByteArray());
        }
    }

    @PostMapping("/sheet")
    String read(@RequestParam MultipartFile file) throws IOException {
        try (var book = WorkbookFactory.create(file.getInputStream())) {
            return new DataFormatter().formatCellValue(book.getSheetAt(0).getRow(0).getCell(0));
        }
    }

    @GetMapping("/label.{kind}")
    byte[] label(@PathVariable String kind, @RequestParam String text) throws IOException {
        var image = new BufferedImage(200, 50, BufferedImage.TYPE_INT_RGB);
        var g = image.createGraphics();
        g.setFont(new java.awt.Font("DejaVu Sans", java.awt.Font.PLAIN, 20));
        g.drawString(text, 5, 30);
        var out = new ByteArrayOutputStream();
        if (!ImageIO.write(image, kind, out)) throw new IOException("no writer for " + kind);
        return out.toByteArray();
    }

    @GetMapping("/locale")
    String locale(@RequestParam String tag) {
        var locale = Locale.forLanguageTag(tag);
        var date = LocalDate.of(2024, 3, 1).format(DateTimeFormatter.ofLocalizedDate(FormatStyle.FULL).withLocale(locale));
        return date + " | " + NumberFormat.getCurrencyInstance(locale).format(1234.5) + " | " + locale.getDisplayCountry(locale);
    }

    @GetMapping("/charset") String charset(@RequestParam String name) { return new String("äÄ€".getBytes(Charset.forName(name)), Charset.forName(name)) + " " + "ä".getBytes(Charset.forName(name)).length; }
    @GetMapping("/zone") String zone(@RequestParam String name) { return Instant.EPOCH.atZone(ZoneId.of(name)).toString(); }
    @GetMapping("/transform")
    String transform() throws Exception {
        var t = javax.xml.transform.TransformerFactory.newInstance().newTransformer(new javax.xml.transform.stream.StreamSource(new StringReader(
            "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><xsl:template match='/'><b><xsl:value-of select='sum(//p)'/></b></xsl:template></xsl:stylesheet>")));
        var out = new StringWriter();
        t.transform(new javax.xml.transform.stream.StreamSource(new StringReader("<a><p>1</p><p>2</p></a>")), new javax.xml.transform.stream.StreamResult(out));
        return out.toString();
    }
    @GetMapping("/fetch")
    String fetch(@RequestParam String url) throws Exception {
        try {
            return HttpClient.newHttpClient().send(java.net.http.HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString()).body();
        } catch (IOException e) {
            return e.getClass().getSimpleName() + ": " + e.getMessage();
        }
    }
    @GetMapping("/crypto")
    String crypto() throws Exception {
        var result = new ArrayList<String>();
        for (var name : List.of("AES/GCM/NoPadding", "ChaCha20-Poly1305")) result.add(javax.crypto.Cipher.getInstance(name).getProvider().getName());
        for (var name : List.of("Ed25519", "X25519", "EC", "RSA")) result.add(java.security.KeyPairGenerator.getInstance(name).generateKeyPair().getPublic().getAlgorithm());
        result.add(String.valueOf(java.security.KeyStore.getInstance("PKCS12").getType()));
        result.add(java.security.SecureRandom.getInstanceStrong().getAlgorithm());
        return String.join(" ", result);
    }
    @GetMapping("/script") String script() throws Exception {
        var process = new ProcessBuilder("sh", "-c", "date -u -d @0 +%F; id -un").redirectErrorStream(true).start();
        return new String(process.getInputStream().readAllBytes());
    }
    static byte[] filter(byte[] input, String... command) throws Exception {
        var process = new ProcessBuilder(command).start();
        try (var out = process.getOutputStream()) { out.write(input); }
        return process.getInputStream().readAllBytes();
    }
    @GetMapping("/sorted") String sorted(@RequestParam String text) throws Exception { return new String(filter(text.replace(',', '\n').concat("\n").getBytes(), "sort", "-r")); }
    @GetMapping("/packed") String packed(@RequestParam String text) throws Exception { return HexFormat.of().formatHex(filter(text.getBytes(), "/usr/bin/gzip", "-c"), 0, 2); }
    @GetMapping("/host") String host(@RequestParam String name) throws Exception {
        try { return InetAddress.getByName(name).getHostAddress(); } catch (UnknownHostException e) { return "unknown " + e.getMessage(); }
    }
    @PostMapping("/mail") String mail(@RequestParam String to) throws Exception {
        var message = mail.createMimeMessage();
        var helper = new MimeMessageHelper(message, true, "UTF-8");
        helper.setFrom("shop@shop.test");
        helper.setTo(to);
        helper.setSubject("Früchte");
        helper.setText("text", "<b>text</b>");
        helper.addAttachment("list.csv", () -> new ByteArrayInputStream("a,b".getBytes()));
        mail.send(message);
        return "sent";
    }
    @GetMapping("/stream") SseEmitter stream() {
        var emitter = new SseEmitter();
        new Thread(() -> { try { emitter.send("one"); emitter.send("two"); emitter.complete(); } catch (IOException e) { emitter.completeWithError(e); } }).start();
        return emitter;
    }
    @GetMapping("/crash") String crash() { throw new IllegalStateException("on purpose"); }
}
