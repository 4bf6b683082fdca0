#!/bin/sh
# Reads one HTTP request from standard input and answers it on standard output.

answer() { # status, body
	printf 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
		"$1" "${#2}" "$2"
}

cr=$(printf '\r')
read -r method path _
length=0
id=none
while IFS= read -r line && [ "${line%"$cr"}" ]; do
	line=${line%"$cr"}
	value=${line#*: }
	case $line in
	[Cc]ontent-[Ll]ength:*) length=$value ;;
	[Xx]-[Rr]equest-[Ii]d:*) id=$value ;;
	esac
done

case "$method $path" in
'GET /ping')
	answer '200 OK' 'pong
'
	;;
'POST /echo')
	printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' "$length"
	head -c "$length"
	;;
'GET /')
	answer '200 OK' "Shell in worker $WORKER_ID of $APP_NAME, request $id
"
	;;
*)
	answer '404 Not Found' 'not here
'
	;;
esac
