package shop;

import org.springframework.data.jpa.repository.*;
import java.util.List;

public interface Fruits extends JpaRepository<Fruit, Integer> {
    List<Fruit> findByNameContainingIgnoreCaseOrderByName(String part);
    @Query(value = "select avg(price) from fruit", nativeQuery = true) double average();
}
