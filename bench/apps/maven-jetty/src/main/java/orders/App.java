package orders;

import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;
import org.springframework.web.servlet.DispatcherServlet;

public class App {
    public static void main(String[] args) throws Exception {
        AnnotationConfigWebApplicationContext context = new AnnotationConfigWebApplicationContext();
        context.scan("orders");
        ServletContextHandler handler = new ServletContextHandler("/");
        handler.addServlet(new ServletHolder(new DispatcherServlet(context)), "/*");
        Server server = new Server(8080);
        server.setHandler(handler);
        server.setStopAtShutdown(true);
        server.start();
        server.join();
    }
}
