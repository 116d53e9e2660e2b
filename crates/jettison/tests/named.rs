//! What stays of Perl and Ruby, whose modules are found by the names that sources speak of: each test compares
//! the whole list of files that stay.

mod kept;

use kept::{base, kept_by_default, program};
use testkit::elf;

#[test]
fn perl_keeps_tools_of_developers_for_what_cannot_be_loaded_without() {
    let image = base()
        .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
        .file("app/main.pl", "use Thing;\n")
        .file("usr/share/perl5/Thing.pm", "use Test::More;\nCPAN->new;\nTAP::Parser->new;\n")
        .file("usr/share/perl/5.36/Test/More.pm", "require Test::Part;\nTAP::Parser->new;\n")
        .file("usr/share/perl/5.36/Test/Part.pm", "1;")
        .file("usr/share/perl/5.36/TAP/Parser.pm", "1;")
        .file("usr/share/perl/5.36/CPAN.pm", "1;")
        .file(
            "var/lib/dpkg/status",
            "Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
             Package: libthing-perl\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n",
        )
        .file(
            "var/lib/dpkg/info/perl.list",
            "/usr/bin/perl\n/usr/share/perl/5.36/Test/More.pm\n/usr/share/perl/5.36/Test/Part.pm\n\
             /usr/share/perl/5.36/TAP/Parser.pm\n/usr/share/perl/5.36/CPAN.pm\n",
        )
        .file("var/lib/dpkg/info/libthing-perl.list", "/usr/share/perl5/Thing.pm\n");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["perl","/app/main.pl"]}"#),
        "/app/main.pl entrypoint\n/usr/bin/perl entrypoint\n\
         /usr/share/perl/5.36/Test/More.pm module\n/usr/share/perl/5.36/Test/Part.pm module\n\
         /usr/share/perl5/Thing.pm module\n"
    );
}

#[test]
fn perl_keeps_the_modules_that_its_sources_speak_of() {
    let status = "Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                  Package: libthing-perl\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nDepends: libpart-perl\n\n\
                  Package: libpart-perl\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n\
                  Package: libextra-perl\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n";
    let image = base()
        .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
        .file("usr/share/perl/5.36/strict.pm", "1;")
        .file("usr/share/perl/5.36/Used.pm", "require Deep::Inside; 1;")
        .file("usr/share/perl/5.36/Deep/Inside.pm", "1;")
        .file("usr/share/perl/5.36/Unused.pm", "1;")
        .file("usr/share/perl5/Thing.pm", "my $c = \"Thing::Driver::$n\";")
        .file(
            "usr/share/perl5/Thing/Driver/Rare.pm",
            "use Extra; use Used::ByDriver;",
        )
        .file("usr/share/perl/5.36/Used/ByDriver.pm", "1;")
        .file("usr/share/perl5/Part.pm", "1;")
        .file("usr/share/perl5/Extra.pm", "1;")
        .file(
            "app/main.pl",
            "use strict; use Thing;\nuse Used; # use Unused\n",
        )
        .file("var/lib/dpkg/status", status)
        .file(
            "var/lib/dpkg/info/perl.list",
            "/usr/bin/perl\n/usr/share/perl/5.36/strict.pm\n/usr/share/perl/5.36/Used.pm\n\
             /usr/share/perl/5.36/Deep/Inside.pm\n/usr/share/perl/5.36/Unused.pm\n\
             /usr/share/perl/5.36/Used/ByDriver.pm\n",
        )
        .file(
            "var/lib/dpkg/info/libthing-perl.list",
            "/usr/share/perl5/Thing.pm\n/usr/share/perl5/Thing/Driver/Rare.pm\n",
        )
        .file(
            "var/lib/dpkg/info/libpart-perl.list",
            "/usr/share/perl5/Part.pm\n",
        )
        .file(
            "var/lib/dpkg/info/libextra-perl.list",
            "/usr/share/perl5/Extra.pm\n",
        );
    // What is named, what the packager says, and the parts of Perl that even a rare driver
    // needs; neither a module that nobody speaks of, nor a package that only that driver does.
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["perl","/app/main.pl"]}"#),
        "/app/main.pl entrypoint\n/usr/bin/perl entrypoint\n\
         /usr/share/perl/5.36/Deep/Inside.pm module\n/usr/share/perl/5.36/Used/ByDriver.pm module\n\
         /usr/share/perl/5.36/Used.pm module\n/usr/share/perl/5.36/strict.pm module\n\
         /usr/share/perl5/Part.pm module\n/usr/share/perl5/Thing/Driver/Rare.pm module\n\
         /usr/share/perl5/Thing.pm module\n"
    );
}

#[test]
fn a_script_that_is_given_to_perl_needs_neither_ending_nor_first_line() {
    let image = |text: &str| {
        base()
            .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
            .file("usr/share/perl/5.36/strict.pm", "1;")
            .file("usr/share/perl5/Thing.pm", "1;")
            .file("app/serve", text)
            .file("var/lib/dpkg/info/perl.list", "/usr/bin/perl\n")
            .file(
                "var/lib/dpkg/status",
                "Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
            )
    };
    let json = r#"{"Cmd":["sh","-c","exec perl /app/serve"]}"#;
    let stays = |text: &str| {
        let kept = kept_by_default(&image(text), json);
        kept.contains("/usr/share/perl5/Thing.pm ")
    };
    assert!(stays("# serves\n\nuse strict; use warnings;\nuse Thing;\n"));
    assert!(!stays("use Thing\n"));
}

#[test]
fn tables_of_character_sets_stay_for_perl_that_names_them() {
    let core = "usr/share/perl/5.36";
    let modules = [
        "PerlIO/encoding.pm",
        "Encode.pm",
        "Encode/JP.pm",
        "Encode/Config.pm",
    ];
    let list: String = modules
        .iter()
        .map(|name| format!("/{core}/{name}\n"))
        .collect();
    let image =
        |source: &str| {
            base()
            .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
            .file(&format!("{core}/PerlIO/encoding.pm"), "require Encode;")
            .file(
                &format!("{core}/Encode.pm"),
                "use Encode::Config; require \"Encode::$name\";",
            )
            .file(&format!("{core}/Encode/Config.pm"), "1;")
            .file(&format!("{core}/Encode/JP.pm"), "1;")
            .file("app/main.pl", source)
            .file(
                "var/lib/dpkg/status",
                "Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
            )
            .file("var/lib/dpkg/info/perl.list", format!("/usr/bin/perl\n{list}"))
        };
    let tables = |source: &str| {
        let kept = kept_by_default(&image(source), r#"{"Cmd":["perl","/app/main.pl"]}"#);
        assert!(kept.contains("Encode/Config.pm module"), "{kept}");
        kept.contains("Encode/JP.pm module")
    };
    assert!(!tables("print 1;"));
    assert!(!tables("open $in, '<:encoding(UTF-8)', $name;"));
    assert!(tables("open $in, '<:encoding(big5)', $name;"));
    assert!(tables("use Encode;"));
}

#[test]
fn ruby_keeps_what_its_sources_require() {
    let package = |name: &str, depends: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n{depends}\n"
        )
    };
    let status = [
        package("ruby", ""),
        package("ruby-web", "Depends: ruby-part\n"),
        package("ruby-part", ""),
        package("ruby-engine", ""),
        package("ruby-extra", ""),
    ];
    let list = |name: &str| format!("var/lib/dpkg/info/{name}.list");
    let core = [
        "bin/ruby",
        "lib/ruby/3.1.0/rubygems.rb",
        "lib/ruby/3.1.0/digest.rb",
        "lib/ruby/3.1.0/digest/sha2.rb",
        "lib/ruby/3.1.0/logger.rb",
        "lib/ruby/3.1.0/rdoc.rb",
    ];
    let core: String = core.iter().map(|path| format!("/usr/{path}\n")).collect();
    let home = "usr/share/rubygems-integration/all";
    let image = base()
        .executable("usr/bin/ruby", program().data(b"\0RUBYLIB\0").build())
        .file("usr/lib/ruby/3.1.0/rubygems.rb", "# require 'rdoc'\n")
        .file(
            "usr/lib/ruby/3.1.0/digest.rb",
            "require File.join('digest', name)\n",
        )
        .file("usr/lib/ruby/3.1.0/digest/sha2.rb", "x")
        .file("usr/lib/ruby/3.1.0/logger.rb", "x")
        .file("usr/lib/ruby/3.1.0/rdoc.rb", "x")
        .file(
            &format!("{home}/specifications/web-1.0.gemspec"),
            "s.require_paths = [\"lib\"]\n",
        )
        .file(
            &format!("{home}/gems/web-1.0/lib/web.rb"),
            "register :Rare, 'web/rare'\n",
        )
        .file(
            &format!("{home}/gems/web-1.0/lib/web/rare.rb"),
            "require 'extra'\nrequire 'logger'\n",
        )
        .file("usr/lib/ruby/vendor_ruby/part.rb", "x")
        .file("usr/lib/ruby/vendor_ruby/engine.rb", "x")
        .file("usr/lib/ruby/vendor_ruby/extra.rb", "x")
        .file(
            "app/main.rb",
            "require 'web'\nrequire 'digest'\nget('/') { engine :page }\n",
        )
        .file("var/lib/dpkg/status", status.concat())
        .file(&list("ruby"), core)
        .file(
            &list("ruby-web"),
            format!(
                "/{home}/specifications/web-1.0.gemspec\n/{home}/gems/web-1.0/lib/web.rb\n\
             /{home}/gems/web-1.0/lib/web/rare.rb\n"
            ),
        )
        .file(&list("ruby-part"), "/usr/lib/ruby/vendor_ruby/part.rb\n")
        .file(
            &list("ruby-engine"),
            "/usr/lib/ruby/vendor_ruby/engine.rb\n",
        )
        .file(&list("ruby-extra"), "/usr/lib/ruby/vendor_ruby/extra.rb\n");
    // What is required with its parts, what the packager says, what the application's words mean, and the parts of
    // Ruby that even a rare file of a gem needs; not what nobody requires, nor a gem that only that file does.
    assert_eq!(
        kept_by_default(
            &image,
            r#"{"Cmd":["ruby","/app/main.rb"],"WorkingDir":"/app"}"#
        ),
        "/app/main.rb entrypoint\n/usr/bin/ruby entrypoint\n/usr/lib/ruby/3.1.0/digest/sha2.rb module\n\
         /usr/lib/ruby/3.1.0/digest.rb module\n/usr/lib/ruby/3.1.0/logger.rb module\n\
         /usr/lib/ruby/3.1.0/rubygems.rb module\n/usr/lib/ruby/vendor_ruby/engine.rb module\n\
         /usr/lib/ruby/vendor_ruby/part.rb module\n\
         /usr/share/rubygems-integration/all/gems/web-1.0/lib/web/rare.rb module\n\
         /usr/share/rubygems-integration/all/gems/web-1.0/lib/web.rb module\n\
         /usr/share/rubygems-integration/all/specifications/web-1.0.gemspec module\n"
    );
}

#[test]
fn ruby_has_the_modules_that_were_asked_for_and_the_libraries_that_it_opens() {
    let package = |name: &str| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n")
    };
    let names = ["ruby-driver", "ruby-other", "installer"];
    let automatic = "Package: ruby-other\nArchitecture: all\nAuto-Installed: 1\n\n";
    let image = base()
        .executable("usr/bin/ruby", program().data(b"\0RUBYLIB\0").build())
        .file(
            "usr/lib/x86_64-linux-gnu/libbox.so.2.1",
            elf::Builder::library().build(),
        )
        .symlink("usr/lib/x86_64-linux-gnu/libbox.so.2", "libbox.so.2.1")
        .file(
            "usr/lib/x86_64-linux-gnu/libboxes.so.2",
            elf::Builder::library().build(),
        )
        .file("app/main.rb", "ffi_lib ['box']\n")
        .file("var/lib/dpkg/status", names.map(package).concat())
        .file("var/lib/apt/extended_states", automatic);
    let image = names.iter().fold(image, |image, name| {
        let module = format!("usr/lib/ruby/vendor_ruby/{name}.rb");
        let list = format!("var/lib/dpkg/info/{name}.list");
        image.file(&list, format!("/{module}\n")).file(&module, "x")
    });
    assert_eq!(
        kept_by_default(
            &image,
            r#"{"Cmd":["ruby","/app/main.rb"],"WorkingDir":"/app"}"#
        ),
        "/app/main.rb entrypoint\n/usr/bin/ruby entrypoint\n\
         /usr/lib/ruby/vendor_ruby/ruby-driver.rb module\n\
         /usr/lib/x86_64-linux-gnu/libbox.so.2 module\n\
         /usr/lib/x86_64-linux-gnu/libbox.so.2.1 module\n"
    );
}

#[test]
fn perl_reads_the_database_of_types_that_it_names() {
    let image = base()
        .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
        .file("app/main.pl", "use Types;\n")
        .file(
            "usr/share/perl5/Types.pm",
            "my @files = data_files('mime/globs'); read_tree(\"mime/$name\");\n",
        )
        .file("usr/share/mime/globs", "text/plain:*.txt\n")
        .file("usr/share/mime/aliases", "text/txt text/plain\n")
        .file("usr/share/mime/text/plain.xml", "<mime-type/>");
    assert_eq!(
        kept_by_default(&image, r#"{"Cmd":["perl","/app/main.pl"]}"#),
        "/app/main.pl entrypoint\n/usr/bin/perl entrypoint\n/usr/share/mime/aliases module\n\
         /usr/share/mime/globs module\n/usr/share/perl5/Types.pm module\n"
    );
}

#[test]
fn tests_for_perl_stay_with_what_runs_them_if_they_are_the_applications() {
    let status = "Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                  Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";
    let image = |test: &str| {
        base()
            .executable("usr/bin/perl", program().data(b"\0PERL5LIB\0").build())
            .executable("usr/bin/prove", "#!/usr/bin/perl\nuse App::Prove;\n")
            .executable("usr/bin/tool", "#!/usr/bin/perl\n")
            .file("usr/share/perl/5.36/App/Prove.pm", "1;")
            .file("app/main.pl", "1;")
            .file(test, "use Test::More;\n")
            .file("var/lib/dpkg/status", status)
            .file(
                "var/lib/dpkg/info/perl.list",
                "/usr/bin/perl\n/usr/share/perl/5.36/App/Prove.pm\n",
            )
            .file(
                "var/lib/dpkg/info/tool.list",
                "/usr/bin/tool\n/usr/share/tool/t/1.t\n",
            )
    };
    let run = r#"{"Cmd":["sh", "-c", "tool; perl main.pl"],"WorkingDir":"/app"}"#;
    let common = "/bin/sh entrypoint\n/usr/bin/perl entrypoint\n";
    let tool = "/usr/bin/tool entrypoint\n";
    assert_eq!(
        kept_by_default(&image("usr/share/tool/t/1.t"), run),
        format!("/app/main.pl config-user\n{common}{tool}")
    );
    assert_eq!(
        kept_by_default(&image("app/t/1.t"), run),
        format!(
            "/app/main.pl config-user\n/app/t/1.t config-user\n{common}/usr/bin/prove module\n{tool}\
             /usr/share/perl/5.36/App/Prove.pm module\n"
        )
    );
}
