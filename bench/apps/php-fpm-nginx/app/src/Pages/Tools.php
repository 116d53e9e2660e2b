<?php
namespace Shop\Pages;

class Tools
{
    public function __invoke(array $query): string
    {
        return match ($query['do']) {
            'number' => (new \NumberFormatter($query['locale'], \NumberFormatter::SPELLOUT))->format(42),
            'collate' => implode(',', (function () { $w = ['z', 'ä', 'a']; collator_create('de')->sort($w); return $w; })()),
            'drivers' => implode(',', \PDO::getAvailableDrivers()),
            'big' => bcpow('2', '100'),
            'apcu' => apcu_store('a', 'kept') ? apcu_fetch('a') : 'off',
            'extensions' => implode(',', get_loaded_extensions()),
            'opcache' => opcache_get_status(false) ? 'on' : 'off',
            'zone' => (new \DateTime('2024-07-01 12:00 UTC'))->setTimezone(new \DateTimeZone($query['name']))->format('H:i T'),
            'mail' => filter_var('ann@shop.test', FILTER_VALIDATE_EMAIL),
            'redis' => class_exists('Redis') ? 'redis' : '',
            'child' => shell_exec('echo from-a-shell'),
            'queue' => file_get_contents(__DIR__ . '/../../storage/queue.txt'),
            'mysql' => (function () { try { new \PDO('mysql:host=127.0.0.1;port=1', 'x'); } catch (\PDOException $e) { return $e->getMessage(); } })(),
            'pgsql' => (function () { try { new \PDO('pgsql:host=127.0.0.1;port=1'); } catch (\PDOException $e) { return $e->getMessage(); } })(),
        };
    }
}
