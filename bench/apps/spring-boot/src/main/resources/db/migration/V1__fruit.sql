CREATE TABLE fruit (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(50) NOT NULL, price NUMERIC(10, 2), email VARCHAR(100));
INSERT INTO fruit (name, price, email) VALUES ('plum', 3.5, 'farm@shop.test');
