-- Answers one request for each connection, with the C library alone.
local ffi = require("ffi")
ffi.cdef([[
struct sockaddr_un { uint16_t family; char path[108]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct sockaddr_un *address, unsigned size);
int listen(int fd, int backlog);
int accept(int fd, void *address, unsigned *size);
long read(int fd, void *buffer, size_t size);
long write(int fd, const char *buffer, size_t size);
int close(int fd);
]])
local C = ffi.C

local function check(result, what)
  if result < 0 then error(what .. ": errno " .. ffi.errno()) end
  return result
end

-- A loop that is long enough to be compiled. Without executable memory there is
-- no trace.
local sum = 0
for i = 1, 1e6 do sum = sum + i end
local compiled = jit.status() and require("jit.util").traceinfo(1) ~= nil

local address = ffi.new("struct sockaddr_un", { family = 1, path = os.getenv("SOCKET_PATH") })
local server = check(C.socket(1, 1, 0), "socket")
check(C.bind(server, address, ffi.sizeof(address)), "bind")
check(C.listen(server, 128), "listen")

local buffer = ffi.new("char[65536]")
while true do
  local client = check(C.accept(server, nil, nil), "accept")
  local head, size = "", 1
  while size > 0 and not head:find("\r\n\r\n", 1, true) do
    size = tonumber(C.read(client, buffer, 65536))
    if size > 0 then head = head .. ffi.string(buffer, size) end
  end
  if size > 0 then
    local child = os.execute("true")
    local text = "jit=" .. tostring(compiled) .. " child=" .. tostring(child == 0 or child == true)
    local out = "HTTP/1.1 200 OK\r\nContent-Length: " .. #text .. "\r\nConnection: close\r\n\r\n" .. text
    C.write(client, out, #out)
  end
  C.close(client)
end
