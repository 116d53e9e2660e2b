package shop;

import jakarta.persistence.*;
import jakarta.validation.constraints.*;
import java.math.BigDecimal;

@Entity
public class Fruit {
    @Id @GeneratedValue(strategy = GenerationType.IDENTITY) @Column(columnDefinition = "integer") public Integer id;
    @NotBlank @Size(max = 50) public String name;
    @NotNull @DecimalMin("0.01") @Column(columnDefinition = "numeric") public BigDecimal price;
    @Email public String email;

    public String getName() { return name; }
    public BigDecimal getPrice() { return price; }
}
