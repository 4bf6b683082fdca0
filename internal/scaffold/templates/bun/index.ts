export default {
  fetch(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (pathname === '/') return new Response(`Hello from worker ${process.env.WORKER_ID}.\n`);
    return new Response('There is no such page.\n', { status: 404 });
  },
};
