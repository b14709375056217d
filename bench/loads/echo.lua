-- For wrk and servers that send back what they receive: requests of 64 bytes that are, when they come back, answers of HTTP.
local head = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Pad: '
local message = head .. string.rep('x', 64 - #head - 4) .. '\r\n\r\n'
local is_checked = false

function request()
  if is_checked then return message end
  -- Wrk asks once before it connects and wants to see a request; that one is not sent.
  is_checked = true
  return 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n'
end
