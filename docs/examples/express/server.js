'use strict';

const express = require('express');

const { WORKER_ID = '?', APP_NAME = '?', PORT = 3000 } = process.env;
const app = express();

app.get('/', (request, response) => {
  response.type('text').send(`Express in worker ${WORKER_ID} of ${APP_NAME}, request ${request.get('x-request-id')}\n`);
});
app.get('/ping', (request, response) => response.type('text').send('pong\n'));
app.post('/echo', (request, response) => request.pipe(response.type('text')));

// ripd's worker serves this on its own socket. By hand (node server.js) it is
// the port.
const server = app.listen(PORT, () => console.log(`listening on ${server.address().port}`));
