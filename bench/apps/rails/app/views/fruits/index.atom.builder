atom_feed { |feed| feed.title t("title"); @fruits.each { |f| feed.entry(f) { |e| e.title f.name } } }
