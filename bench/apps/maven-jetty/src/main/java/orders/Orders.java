package orders;

import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.springframework.core.io.ClassPathResource;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.server.ResponseStatusException;
import org.xerial.snappy.Snappy;

@RestController
class Orders {
    record Order(String fruit, int count) {}

    private Connection open() throws SQLException {
        Connection connection = DriverManager.getConnection("jdbc:h2:/var/lib/orders/db");
        connection.createStatement().execute("create table if not exists orders (fruit varchar, count int)");
        return connection;
    }

    @PostMapping("/orders")
    @ResponseStatus(HttpStatus.CREATED)
    Order add(@RequestBody Order order) throws SQLException {
        try (Connection connection = open(); PreparedStatement insert = connection.prepareStatement("insert into orders values (?, ?)")) {
            insert.setString(1, order.fruit());
            insert.setInt(2, order.count());
            insert.execute();
        }
        return order;
    }

    @GetMapping("/orders")
    List<Order> all() throws SQLException {
        List<Order> orders = new ArrayList<>();
        try (Connection connection = open(); ResultSet rows = connection.createStatement().executeQuery("select * from orders")) {
            while (rows.next()) orders.add(new Order(rows.getString(1), rows.getInt(2)));
        }
        return orders;
    }

    @GetMapping("/greeting")
    String greeting() throws Exception {
        return new ClassPathResource("greeting.txt").getContentAsString(StandardCharsets.UTF_8);
    }

    @GetMapping("/snappy")
    String snappy() throws Exception {
        return new String(Snappy.uncompress(Snappy.compress("squeezed".getBytes())));
    }

    @GetMapping("/zone")
    String zone(@RequestParam("name") String name) {
        return LocalDateTime.ofInstant(Instant.parse("2024-07-01T12:00:00Z"), ZoneId.of(name)).toString();
    }

    @GetMapping("/missing")
    String missing() {
        throw new ResponseStatusException(HttpStatus.NOT_FOUND, "no such order");
    }

    @GetMapping("/boom")
    String boom() {
        throw new IllegalStateException("on purpose");
    }
}
