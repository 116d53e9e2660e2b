<?php
namespace Shop\Pages;

class Hello
{
    public function __invoke(array $query): string
    {
        ob_start();
        $name = $query['name'] ?? 'visitor';
        include __DIR__ . '/../../templates/hello.phtml';
        return ob_get_clean();
    }
}
