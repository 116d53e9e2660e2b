<?php
$file = __DIR__ . '/storage/queue.txt';
while (true) {
    file_put_contents($file, 'done ' . date('c'));
    sleep(1);
}
