<?php
header('Content-Type: application/json');
switch ($_GET['do'] ?? '') {
    case 'image':
        $image = imagecreatetruecolor(20, 10);
        imagefilledrectangle($image, 0, 0, 19, 9, imagecolorallocate($image, 200, 0, 0));
        header('Content-Type: image/' . $_GET['type']);
        ('image' . $_GET['type'])($image);
        break;
    case 'number':
        $format = new NumberFormatter($_GET['locale'], NumberFormatter::CURRENCY);
        echo json_encode($format->formatCurrency(1234.5, 'EUR'), JSON_UNESCAPED_UNICODE);
        break;
    case 'date':
        $zone = new DateTimeZone($_GET['zone']);
        echo (new DateTime('2024-07-01 12:00 UTC'))->setTimezone($zone)->format('H:i T');
        break;
    case 'mb':
        echo json_encode([mb_strtoupper('straße'), mb_convert_encoding("\xe4", 'UTF-8', 'ISO-8859-1'), iconv('SJIS', 'UTF-8', "\x82\xa0")], JSON_UNESCAPED_UNICODE);
        break;
    case 'sqlite':
        $db = new PDO('sqlite::memory:');
        echo json_encode($db->query('select sqlite_version() is not null as ok')->fetch(PDO::FETCH_ASSOC));
        break;
    case 'xml':
        $d = new DOMDocument();
        $d->loadXML('<a><b>x</b></a>');
        echo $d->getElementsByTagName('b')->item(0)->nodeValue, simplexml_load_string('<c>y</c>');
        break;
    case 'session':
        session_start();
        echo $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
        break;
    case 'fetch':
        $c = curl_init($_GET['url']);
        curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => true, CURLOPT_SSL_VERIFYPEER => false, CURLOPT_SSL_VERIFYHOST => 0]);
        echo curl_exec($c) ?: curl_error($c);
        break;
    case 'zip':
        $z = new ZipArchive();
        $z->open('/tmp/x.zip', ZipArchive::CREATE);
        $z->addFromString('a.txt', 'hello');
        $z->close();
        echo file_get_contents('zip:///tmp/x.zip#a.txt');
        break;
    case 'hash':
        echo password_verify('x', password_hash('x', PASSWORD_ARGON2ID)) ? 'argon' : '', hash('xxh3', 'a');
        break;
    case 'product':
        echo json_encode(['product' => (int) $_GET['id']]);
        break;
    default:
        http_response_code(400);
        echo '{"error":"what?"}';
}
