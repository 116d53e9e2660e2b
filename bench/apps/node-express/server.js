const path = require('path');
const fs = require('fs');
const express = require('express');
const { WebSocketServer } = require('ws');

const app = express();
app.set('view engine', 'ejs');
app.set('views', path.join(__dirname, 'views'));
app.use(require('helmet')());
app.use(require('morgan')('combined'));
app.use(require('compression')({ threshold: 0 }));
app.use(require('express-session')({ secret: 'only for trying', resave: false, saveUninitialized: true }));
app.use(express.json());
app.use('/assets', express.static('public'));

// Every file of routes/ is mounted under its name.
for (const file of fs.readdirSync(path.join(__dirname, 'routes'))) {
  app.use('/' + path.basename(file, '.js'), require('./routes/' + file));
}
app.get('/', (request, response) => response.render('index', { title: 'Shop', visits: request.session.visits = (request.session.visits || 0) + 1 }));
app.use((request, response) => response.status(404).render('missing', { url: request.url }));
app.use((error, request, response, next) => {
  console.error(error.stack);
  response.status(500).json({ error: error.message });
});

const server = process.env.TLS_KEY
  ? require('https').createServer({ key: fs.readFileSync(process.env.TLS_KEY), cert: fs.readFileSync(process.env.TLS_CERT) }, app)
  : require('http').createServer(app);
new WebSocketServer({ server }).on('connection', socket => socket.on('message', text => socket.send('you said ' + text)));
server.listen(process.env.PORT || 3000, () => console.log('listening'));
process.on('SIGTERM', () => { console.log('bye'); process.exit(0); });
