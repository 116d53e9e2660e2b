create table fruit (id integer primary key, name text unique not null, price real not null, day text);
create table patches (name text primary key);
create table account (name text primary key, password text);
insert into fruit (name, price, day) values ('plum', 3.5, '2024-07-03');
