// The page at /, for people with a browser, and what a browser may do for it.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// web/page.html with its style and its scripts, whole: nothing else is fetched to show it. PageFor fills in the one
// thing that the page is told in it.
extern const std::string_view kPage;

// The page of a server that keeps conversations in a directory, or in memory alone: then the page leaves them in the
// browser. The policy is the same for both.
std::string PageFor(bool store_in_directory);

// The Content-Security-Policy for `page`: its one <style> and its one <script>, by their SHA-256, and requests to this
// server; no other script, style, image, frame or form, whatever a model's answer holds.
std::string PagePolicy(std::string_view page);

}  // namespace batucada
