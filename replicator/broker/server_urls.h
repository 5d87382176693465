// The list of brokers that an operator wrote down.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace colony {

// Splits "nats://host:port[,more]" and checks each address; the scheme may be
// nats or tls or missing, the port may be missing. Throws Error with the
// address that is malformed.
std::vector<std::string> parse_server_urls(std::string_view urls);

// The addresses for people and logs: without user names, passwords and tokens.
std::string without_credentials(std::string_view urls);

}  // namespace colony
