'use strict';

const http = require('node:http');

const { SOCKET_PATH, WORKER_ID = '?', APP_NAME = '?' } = process.env;

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  if (request.url === '/ping') {
    response.end('pong\n');
  } else if (request.method === 'POST' && request.url === '/echo') {
    request.pipe(response);
  } else if (request.url === '/') {
    response.end(`Node.js in worker ${WORKER_ID} of ${APP_NAME}, request ${request.headers['x-request-id']}\n`);
  } else {
    response.statusCode = 404;
    response.end('not here\n');
  }
});

server.listen(SOCKET_PATH);

// Finish what runs, then leave.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
