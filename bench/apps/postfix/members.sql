CREATE TABLE member (address TEXT PRIMARY KEY, goto TEXT);
INSERT INTO member VALUES ('zoe@members.test', 'bo@shop.test');
