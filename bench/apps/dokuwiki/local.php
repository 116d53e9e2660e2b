$conf['title'] = 'Shop wiki';
$conf['disableactions'] = '';
$conf['remote'] = 1;
$conf['rss_show_summary'] = 1;
$conf['mailfrom'] = 'wiki@shop.test';
