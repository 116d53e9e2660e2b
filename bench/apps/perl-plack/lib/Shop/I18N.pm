package Shop::I18N;
use strict;
use warnings;
use base 'Locale::Maketext';
use Locale::Maketext::Lexicon { '*' => [Gettext => '/app/lib/Shop/I18N/*.po'], _auto => 1, _decode => 1 };
1;
