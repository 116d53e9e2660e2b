const assert = require('node:assert');
const answer = require('./server');

const headers = {};
answer({ url: '/a.json' }, { setHeader: (name, value) => (headers[name] = value), end: (text) => assert.equal(text, 'hello from /a.json\n') });
assert.equal(headers['content-type'], 'application/json');
