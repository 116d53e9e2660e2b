package shop;

import java.util.Locale;
import java.util.ResourceBundle;

public class Polite implements Greeter {
    public String greet(Locale locale) {
        return ResourceBundle.getBundle("words", locale).getString("hello");
    }
}
