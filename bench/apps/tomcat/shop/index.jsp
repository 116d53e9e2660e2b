<%@ page contentType="text/html; charset=UTF-8" import="java.util.*, java.text.*" %>
<h1>Shop</h1>
<p><%= NumberFormat.getInstance(request.getLocale()).format(1234.5) %></p>
<p>visit <% Integer n = (Integer) session.getAttribute("n"); session.setAttribute("n", n = n == null ? 1 : n + 1); out.print(n); %></p>
<p>${param.name} ${1 + 2}</p>
