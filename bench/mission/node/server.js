const http = require('node:http');
const mime = require('mime-types');

const answer = (request, response) => {
  response.setHeader('content-type', mime.lookup(request.url) || 'text/plain');
  response.end(`hello from ${request.url}\n`);
};
module.exports = answer;
if (require.main === module) http.createServer(answer).listen(3000);
