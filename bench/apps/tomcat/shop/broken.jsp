<% if (true) throw new IllegalStateException("on purpose"); %>
