import { createServer } from 'node:http';

// The socket is the one that ripd has opened.
const given = process.env.LISTEN_PID === String(process.pid) && process.env.LISTEN_FDS === '1';
createServer((_request, response) => response.end(`jit=true given=${given}`)).listen({ fd: 3 });
