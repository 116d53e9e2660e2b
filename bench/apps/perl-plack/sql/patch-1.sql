insert into fruit (name, price, day) values ('pear', 2, '2024-09-01');
