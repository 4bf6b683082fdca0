// A worker that notes what Node's parser understands: one line of JSON for each
// request that it has whole, in the file of the second argument.
import { appendFileSync } from "node:fs";
import http from "node:http";

const [socket, notes] = process.argv.slice(2);
const note = (what) => appendFileSync(notes, JSON.stringify(what) + "\n");

const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 2000, headersTimeout: 2000, connectionsCheckingInterval: 500 }, (request, response) => {
  let length = 0;
  request.on("data", (piece) => (length += piece.length));
  request.on("end", () => {
    note({ id: request.headers["x-request-id"] ?? "", method: request.method, target: request.url, length });
    response.end("ok");
  });
  request.on("error", () => {}); // a part of a request is none
});
server.on("checkContinue", (request, response) => server.emit("request", request, response));
server.listen(socket);
