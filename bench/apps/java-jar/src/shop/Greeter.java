package shop;

public interface Greeter {
    String greet(java.util.Locale locale);
}
