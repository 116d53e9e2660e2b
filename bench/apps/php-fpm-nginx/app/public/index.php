<?php
spl_autoload_register(fn($class) => @include __DIR__ . '/../src/' . str_replace(['Shop\\', '\\'], ['', '/'], $class) . '.php');

$page = 'Shop\\Pages\\' . (ucfirst(trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/')) ?: 'Hello');
if (!class_exists($page)) {
    http_response_code(404);
    exit('no such page');
}
echo (new $page())($_GET);
