package Shop;
use Dancer2;
use utf8;
use DateTime;
use Shop::I18N;
use Shop::Schema;

sub schema { return Shop::Schema->connect('dbi:SQLite:dbname=/data/shop.db', '', '', { sqlite_unicode => 1 }) }
sub rows { return schema()->resultset('Fruit')->search({}, { order_by => 'name' }) }
sub dbh { require DBI; return DBI->connect('dbi:SQLite:dbname=/data/shop.db', '', '', { RaiseError => 1, PrintError => 0, sqlite_unicode => 1 }) }

sub allowed {
    my ($name, $password) = @_;
    require Crypt::Eksblowfish::Bcrypt;
    my ($hash) = dbh()->selectrow_array('select password from account where name = ?', undef, $name);
    return $hash && Crypt::Eksblowfish::Bcrypt::bcrypt($password, $hash) eq $hash;
}

get '/health' => sub { content_type 'text/plain'; return 'ok' };

get '/' => sub {
    my ($tag) = (request->header('Accept-Language') // 'en') =~ /^([a-z]{2})/;
    my $text = Shop::I18N->get_handle($tag, 'en');
    my $day = DateTime->new(year => 2024, month => 7, day => 3, locale => query_parameters->get('locale') // $tag);
    session seen => (session('seen') // 0) + 1;
    template index => {
        title => $text->maketext('Fruit shop'),
        count => $text->maketext('[quant,_1,fruit]', rows()->count),
        day   => $day->format_cldr($day->locale->date_format_full),
        fruit => [map { { name => $_->name, price => $_->price, month => $_->day->month_name } } rows()->all],
        seen  => session('seen'),
    };
};

get '/fruit/:name' => sub {
    my $fruit = schema()->resultset('Fruit')->find({ name => route_parameters->get('name') }) or send_error('No such fruit', 404);
    send_as JSON => { name => $fruit->name, price => $fruit->price + 0 };
};

post '/fruit' => sub {
    my $sent = eval { decode_json(request->body) } or send_error("bad JSON: $@", 400);
    eval { schema()->resultset('Fruit')->create({ name => $sent->{name}, price => $sent->{price}, day => '2024-01-01' }); 1 } or send_error($@ =~ /UNIQUE/ ? 'there already' : $@, 409);
    status 201;
    send_as YAML => { made => $sent->{name} };
};

get '/zone' => sub { my $time = DateTime->from_epoch(epoch => 1720000000, time_zone => query_parameters->get('name')); return $time->strftime('%F %T %z') };

get '/fruit.xml' => sub {
    require XML::LibXML;
    my $doc = XML::LibXML::Document->new('1.0', 'UTF-8');
    $doc->setDocumentElement(my $root = $doc->createElement('fruits'));
    $root->appendTextChild(fruit => $_->name) for rows()->all;
    content_type 'application/xml';
    return $doc->toString;
};

post '/transform' => sub {
    require XML::LibXSLT;
    require XML::LibXML;
    my $source = eval { XML::LibXML->load_xml(string => request->body) } or send_error("not XML: $@", 400);
    my $style = XML::LibXSLT->new->parse_stylesheet(XML::LibXML->load_xml(location => '/app/public/names.xsl'));
    return $style->output_as_chars($style->transform($source));
};

get '/label.:type' => sub {
    require GD;
    my $image = GD::Image->new(80, 30, 1);
    $image->filledRectangle(0, 0, 79, 29, $image->colorAllocate(255, 255, 255));
    my $ink = $image->colorAllocate(142, 69, 133);
    if (query_parameters->get('font')) { $image->stringFT($ink, query_parameters->get('font'), 12, 0, 5, 20, query_parameters->get('text')) or send_error("no font: $@", 400) }
    else { $image->string(GD::gdGiantFont(), 2, 2, query_parameters->get('text') // 'plum', $ink) }
    my $type = route_parameters->get('type');
    my $method = $image->can($type) or send_error('no such type', 404);
    content_type "image/$type";
    return $image->$method;
};

get '/chart.png' => sub {
    my $kind = query_parameters->get('kind') // 'bars';
    my $class = "GD::Graph::$kind";
    eval "require $class" or send_error("no chart: $kind", 404);
    my @all = rows()->all;
    my $graph = $class->new(200, 150);
    $graph->set(title => 'Prices');
    content_type 'image/png';
    return $graph->plot([[map { $_->name } @all], [map { $_->price } @all]])->png;
};

get '/sheet.xlsx' => sub {
    require Excel::Writer::XLSX;
    open my $out, '>', \my $data or die;
    my $book = Excel::Writer::XLSX->new($out);
    my $sheet = $book->add_worksheet('Fruit');
    $sheet->write(0, 0, ['name', 'price'], $book->add_format(bold => 1));
    my $row = 1;
    $sheet->write($row++, 0, [$_->name, $_->price]) for rows()->all;
    my $chart = $book->add_chart(type => 'column', embedded => 1);
    $chart->add_series(values => '=Fruit!$B$2:$B$3');
    $sheet->insert_chart('D2', $chart);
    $book->close;
    return send_file(\$data, content_type => 'application/vnd.ms-excel', filename => 'fruit.xlsx');
};

get '/sheet.xls' => sub {
    require Spreadsheet::WriteExcel;
    open my $out, '>', \my $data or die;
    my $book = Spreadsheet::WriteExcel->new($out);
    $book->add_worksheet('Fruit')->write(0, 0, 'plum');
    $book->close;
    return send_file(\$data, content_type => 'application/vnd.ms-excel', filename => 'fruit.xls');
};

post '/sheet' => sub {
    my $file = upload('file');
    my $class = $file->filename =~ /xlsx$/ ? 'Spreadsheet::ParseXLSX' : 'Spreadsheet::ParseExcel';
    eval "require $class" or die $@;
    my $book = $class->new->parse($file->tempname) or send_error('not a sheet', 422);
    my $sheet = ($book->worksheets)[0];
    return join ',', map { my $cell = $sheet->get_cell($_, 0); $cell ? $cell->value : () } 0 .. 5;
};

get '/list.csv' => sub {
    require Text::CSV_XS;
    my $csv = Text::CSV_XS->new({ binary => 1, eol => "\n" });
    content_type 'text/csv';
    return join '', map { $csv->combine($_->name, $_->price); $csv->string } rows()->all;
};

get '/list.pdf' => sub {
    require PDF::API2;
    my $pdf = PDF::API2->new;
    my $text = $pdf->page->text;
    $text->font(query_parameters->get('font') ? $pdf->ttfont(query_parameters->get('font')) : $pdf->corefont('Helvetica-Bold'), 20);
    $text->translate(50, 500);
    $text->text('Fruit shop');
    content_type 'application/pdf';
    return $pdf->stringify;
};

post '/markdown' => sub { require Text::Markdown; return Text::Markdown::markdown(request->body) };

post '/mail' => sub {
    require Email::MIME;
    require Email::Sender::Simple;
    my $mail = Email::MIME->create(
        header_str => [From => 'shop@shop.test', To => body_parameters->get('to'), Subject => 'Früchte'],
        parts => [Email::MIME->create(attributes => { content_type => 'text/plain', charset => 'UTF-8', encoding => 'quoted-printable' }, body_str => 'Plums for you, Łukasz'), Email::MIME->create(attributes => { content_type => 'text/csv', filename => 'list.csv', encoding => 'base64' }, body => "plum,3\n")],
    );
    require Module::Runtime;
    my $how = Module::Runtime::use_module('Email::Sender::Transport::' . (body_parameters->get('how') // 'Maildir'));
    my $transport = $how->new(body_parameters->get('how') ? (host => 'nowhere.invalid', timeout => 3) : (dir => '/data/mails'));
    eval { Email::Sender::Simple->send($mail, { transport => $transport }); 1 } or send_error("not sent: $@", 502);
    return 'sent';
};

get '/fetch' => sub { require LWP::UserAgent; my $answer = LWP::UserAgent->new(timeout => 5)->get(query_parameters->get('url')); return $answer->status_line . ' ' . substr $answer->decoded_content, 0, 200 };
get '/plain' => sub { require Text::Unidecode; return Text::Unidecode::unidecode(query_parameters->get('text')) };
get '/encoded' => sub { require Encode; return unpack 'H*', Encode::encode(query_parameters->get('name'), query_parameters->get('text'), Encode::FB_CROAK()) };
get '/named' => sub { require charnames; return charnames::viacode(ord query_parameters->get('text')) . ' ' . (query_parameters->get('text') =~ /\p{Script=Greek}/ ? 'Greek' : 'other') };
get '/sorted' => sub { require Unicode::Collate::Locale; return join '', Unicode::Collate::Locale->new(locale => query_parameters->get('locale'))->sort(split //, query_parameters->get('text')) };
get '/zip' => sub { require IO::Compress::Zip; my $text = 'plum'; IO::Compress::Zip::zip(\$text => \my $out, Name => 'a') or die; return send_file(\$out, content_type => 'application/zip') };
get '/admin/whoami' => sub { my $who = qx(id -un); return $who };
get '/crash' => sub { die "on purpose\n" };
1;
